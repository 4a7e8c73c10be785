"""What pyproject.toml cannot say: the extension module, which may fail to build."""

from setuptools import Extension, setup

setup(ext_modules=[Extension("trioex._speedups", ["trioex/_speedups.c"], optional=True)])
