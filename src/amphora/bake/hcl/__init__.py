"""HCL, the language of bake files: its syntax, its values and its functions.

https://github.com/hashicorp/hcl/blob/main/hclsyntax/spec.md. No library that parses it keeps
an expression as a tree that can be evaluated, or where it stands, so this is one.
"""
