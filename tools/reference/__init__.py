"""Reference checks: random tiny models and golden tensors made with diffusers, the reference implementation.

A test tool only; nothing here is needed at run time. See README.md beside this file for the layout of a case.
"""
