"""Reading inputs: files and arrays, preprocessing, labels."""
