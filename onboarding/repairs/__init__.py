"""The Django admin for the operator's rare repairs: records to read, and few values to change.

Entry point: `site.py`. `record_pages.py` lists the repairs, with the service of each. No page adds
or deletes a record, and no evidence can change here.
"""
