"""The configuration of Exchange Online, from an export of read-only cmdlets.

`source.py` describes it, `script.py` writes the script, one module for each rule judges.
"""
