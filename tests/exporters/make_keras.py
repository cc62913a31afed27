"""Run by another interpreter: Keras networks as tf2onnx writes them, and TensorFlow's own gradient.

python make_keras.py FOLDER        writes NAME-{fixed,symbolic}.onnx and NAME.npz
"""

import os
import sys
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import numpy as np
import tensorflow as tf
import tf2onnx
from keras import Sequential, layers

ROWS, FIXED = 5, 2


def mobile():
    x = inputs = layers.Input((18, 18, 3))
    x = layers.Conv2D(8, 3, 2, padding="same", use_bias=False)(x)
    x = layers.ReLU(6.0)(layers.BatchNormalization()(x))
    y = layers.DepthwiseConv2D(3, padding="same")(x)
    y = layers.Conv2D(8, 1)(layers.Activation("hard_silu")(y))
    x = layers.Add()([x, y])
    x = layers.ZeroPadding2D(((0, 1), (0, 1)))(x)
    x = layers.SeparableConv2D(10, 3, 2, activation="swish")(x)
    gate = layers.Dense(10, activation="sigmoid")(layers.GlobalAveragePooling2D(keepdims=True)(x))
    x = layers.GlobalAveragePooling2D()(layers.Multiply()([x, gate]))
    return tf.keras.Model(inputs, layers.Dense(4, activation="softmax")(x))


def unet():
    x = inputs = layers.Input((16, 12, 2))
    a = layers.Conv2D(6, 3, padding="same", activation="relu")(x)
    b = layers.Conv2D(8, 3, padding="same", activation="elu")(layers.MaxPooling2D()(a))
    up = layers.UpSampling2D(interpolation="bilinear")(b)
    other = layers.Conv2DTranspose(6, 3, 2, padding="same", activation="leaky_relu")(b)
    x = layers.Concatenate()([a, up, other])
    return tf.keras.Model(inputs, layers.Conv2D(2, 1, activation="sigmoid")(x))


def transformer():
    x = inputs = layers.Input((6, 12))
    y = layers.MultiHeadAttention(3, 4)(layers.LayerNormalization()(x), x)
    x = layers.Add()([x, y])
    y = layers.Dense(12)(layers.Dense(24, activation="tanh")(layers.LayerNormalization()(x)))
    x = layers.GlobalMaxPooling1D()(layers.Add()([x, y]))
    return tf.keras.Model(inputs, layers.Dense(3)(x))


def plain():
    return Sequential(
        [
            layers.Input((20,)),
            *(layers.Dense(16, activation=act) for act in ("relu", "selu", "softplus", "tanh", "softsign")),
            layers.Dense(4, activation="log_softmax"),
        ]
    )


def lstm():
    x = inputs = layers.Input((5, 6))
    x = layers.Bidirectional(layers.LSTM(7, return_sequences=True))(x)
    return tf.keras.Model(inputs, layers.Dense(3)(layers.LSTM(5)(x)))


def gru():
    return Sequential([layers.Input((5, 6)), layers.GRU(7, return_sequences=True), layers.GRU(5), layers.Dense(3)])


def waves():
    parts = [layers.Conv1D(6, 2, dilation_rate=2**i, padding="causal", activation="tanh") for i in range(3)]
    return Sequential([layers.Input((16, 2)), *parts, layers.AveragePooling1D(2), layers.Flatten(), layers.Dense(3)])


NETWORKS = {
    "plain": plain,
    "mobile": mobile,
    "unet": unet,
    "transformer": transformer,
    "lstm": lstm,
    "gru": gru,
    "waves": waves,
}


def write(name, folder):
    tf.keras.utils.set_random_seed(0)
    model = NETWORKS[name]()
    x = tf.random.normal((ROWS, *model.input_shape[1:]))
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.moving_mean.assign(tf.random.normal(layer.moving_mean.shape))
            layer.moving_variance.assign(tf.random.uniform(layer.moving_variance.shape, 0.5, 2))
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = model(x, training=False)
    cotangent = tf.random.normal(y.shape)
    grad = tape.gradient(y, x, cotangent)
    np.savez(folder / f"{name}.npz", x0=x, y0=y, grad_y0=cotangent, grad_x0=grad)
    for form, rows in (("fixed", FIXED), ("symbolic", None)):
        signature = [tf.TensorSpec((rows, *model.input_shape[1:]), tf.float32, name="x0")]
        call = tf.function(lambda v: model(v, training=False), input_signature=signature)
        tf2onnx.convert.from_function(
            call, input_signature=signature, opset=17, output_path=str(folder / f"{name}-{form}.onnx")
        )


if __name__ == "__main__":
    for chosen in NETWORKS:
        write(chosen, Path(sys.argv[1]))
