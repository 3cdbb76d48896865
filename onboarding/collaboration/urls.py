"""URLs of comments, contacts, files and share links."""

from __future__ import annotations

from django.urls import path

from onboarding.collaboration.views import comments, contacts, files, share_links

urlpatterns = [
    path("mentions/", comments.mentions, name="mentions"),
]

# Below t/<public_id>/, the tenant.
tenant_urlpatterns = [
    path("tasks/<str:task_id>/comments/", comments.comment_add, name="comment-add"),
    path(
        "tasks/<str:task_id>/comments/<str:comment_id>/delete/",
        comments.comment_delete,
        name="comment-delete",
    ),
    path("tasks/<str:task_id>/files/", files.file_add, name="file-add"),
    path("tasks/<str:task_id>/files/<str:file_id>/", files.file_show, name="file-show"),
    path("contacts/", contacts.contact_add, name="contact-add"),
    path("contacts/<str:contact_id>/", contacts.contact_change, name="contact-change"),
    path("contacts/<str:contact_id>/remove/", contacts.contact_remove, name="contact-remove"),
    path("tasks/<str:task_id>/share/", share_links.task_share, name="task-share-link"),
    path("share-links/", share_links.domain_share, name="domain-share-link"),
    path(
        "share-links/<str:share_link_id>/revoke/",
        share_links.share_link_revoke,
        name="share-link-revoke",
    ),
]
