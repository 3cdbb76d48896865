"""Comments, mentions, contacts, evidence files and share links of a tenant's plan.

Entry points: comments.add_comment, contacts.save_contact, evidence_files.store_file and
share_links.create_share_link. markdown and file_types are pure. The page that a share link opens is
in portfolio/shared_page.py.
"""
