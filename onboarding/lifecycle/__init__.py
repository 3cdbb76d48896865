"""Creating, editing, closing, exporting and erasing tenants.

Entry points: `save_profile` in tenants, domain_removal, profile_suggestions, closing (sign-off of
both sides), offboarding (people leave, tenants close, data is erased), exports and closing_pack.
The check engine and the tasks of a plan do not belong here.
"""
