"""What pyproject.toml cannot say: folder cli/ is installed as the package onnxpath_cli."""

from setuptools import find_packages, setup

cli = ["onnxpath_cli", *(f"onnxpath_cli.{name}" for name in find_packages("cli"))]
setup(packages=find_packages(include=["onnxpath", "onnxpath.*"]) + cli, package_dir={"onnxpath_cli": "cli"})
