"""Comments, questions and internal notes: visibility, mentions and open questions."""

from __future__ import annotations

import json
import re
import zipfile
from datetime import timedelta
from html import unescape

import pytest
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import DjangoAssertNumQueries

from onboarding.collaboration import file_store
from onboarding.collaboration.comments import (
    NewComment,
    add_comment,
    comments_of,
    delete_comment,
    mentions_for,
    open_questions,
)
from onboarding.collaboration.markdown import render
from onboarding.errors import NotPermitted, OnboardingError
from onboarding.lifecycle import exports
from onboarding.models import Comment, Task
from onboarding.plans.assignment import mentionable_people
from onboarding.plans.rollup import recompute_rollup
from onboarding.templatetags.plan_tags import comment_body
from tenants.models import ActivityLine, Tenant, User
from tenants.queries import tenants_for
from tests.factories import SignIn, task_of
from tests.markup import texts

KEY = "end-user-asset-library"


def write(tenant: Tenant, by: User, side: str, body: str, **kind: object) -> Comment:
    return add_comment(task_of(tenant, KEY), NewComment(body, **kind), by=by, side=side)  # type: ignore[arg-type]


def page(tenant: Tenant, person: User, signed_in: SignIn) -> str:
    url = reverse("onboarding:plan-show", args=[tenant.public_id]) + "?phase=onboarding-review"
    return signed_in(person).get(url).content.decode()


def test_internal_note_is_visible_to_staff_only(
    tenant: Tenant, owner: User, consultant: User, signed_in: SignIn
) -> None:
    write(tenant, consultant, "mimecast", "They are slow to answer.", is_internal=True)

    assert "They are slow to answer." in page(tenant, consultant, signed_in)
    assert "slow to answer" not in page(tenant, owner, signed_in)
    assert "internal" not in page(tenant, owner, signed_in)
    assert list(comments_of(tenant.plan, is_staff=False)) == []
    assert not ActivityLine.objects.filter(tenant=tenant, action="comment-added").exists()


def test_export_contains_no_internal_note(tenant: Tenant, owner: User, consultant: User) -> None:
    write(tenant, consultant, "mimecast", "Slow to answer.", is_internal=True)
    write(tenant, owner, "client", "Which one?")
    export = exports.request_export(tenant, by=consultant)

    exports.build_export(export)

    export.refresh_from_db()
    with zipfile.ZipFile(file_store.path_of(export.stored_as)) as archive:
        rows = json.loads(archive.read("comments.json"))
    assert [row["body"] for row in rows] == ["Which one?"]


def test_client_cannot_write_internal_note(tenant: Tenant, owner: User) -> None:
    with pytest.raises(NotPermitted):
        write(tenant, owner, "client", "Hidden.", is_internal=True)

    assert not Comment.objects.exists()


def test_internal_note_is_404_for_client(
    tenant: Tenant, owner: User, consultant: User, signed_in: SignIn
) -> None:
    note = write(tenant, consultant, "mimecast", "Slow.", is_internal=True)
    ids = [tenant.public_id, note.task.public_id]

    answer = signed_in(owner).get(
        reverse("onboarding:comment-add", args=ids) + f"?reply_to={note.public_id}"
    )
    taken = signed_in(owner).post(reverse("onboarding:comment-delete", args=[*ids, note.public_id]))

    assert (answer.status_code, taken.status_code) == (404, 404)


def test_question_waits_until_answered(tenant: Tenant, owner: User, consultant: User) -> None:
    question = write(tenant, consultant, "mimecast", "Which hosts?", asked_side="client")
    assert open_questions(tenant.plan, side="client") == [question]
    assert open_questions(tenant.plan, side="mimecast") == []

    # A second comment of the asking side is no answer.
    task = task_of(tenant, KEY)
    add_comment(
        task, NewComment("And which ports?"), by=consultant, side="mimecast", reply_to=question
    )
    assert open_questions(tenant.plan, side="client") == [question]

    add_comment(task, NewComment("mail.northwind.test"), by=owner, side="client", reply_to=question)
    assert open_questions(tenant.plan, side="client") == []


def test_question_is_first_on_my_tasks(
    tenant: Tenant, owner: User, consultant: User, signed_in: SignIn
) -> None:
    write(tenant, consultant, "mimecast", "Which hosts **exactly**?", asked_side="client")

    text = signed_in(owner).get(reverse("onboarding:my-tasks", args=[tenant.public_id])).content

    assert b"Questions for you" in text
    assert b"Which hosts <strong>exactly</strong>?" in text


def test_my_tasks_is_the_return_page(
    tenant: Tenant, owner: User, consultant: User, signed_in: SignIn
) -> None:
    write(tenant, consultant, "mimecast", "Which hosts?", asked_side="client")
    client = signed_in(owner)
    steps = reverse("onboarding:my-tasks", args=[tenant.public_id])
    html = client.get(steps).content.decode()

    asking, answering, blocking = (
        unescape(re.findall(rf'href="([^"]*{part}[^"]*from=my-tasks)"', html)[0])
        for part in (r"/comments/\?", r"reply_to=", r"/block/")
    )
    typed = {"body": "mail.northwind.test", "kind": "", "from": "my-tasks"}
    back = [
        client.post(asking, typed)["Location"],
        client.post(answering, typed)["Location"],
        client.post(blocking, {"reason": "No access."})["Location"],
    ]

    assert back == [steps] * 3
    assert f'href="{steps}"' in client.get(blocking).content.decode()


def test_rejected_comment_remains_in_form(tenant: Tenant, owner: User, signed_in: SignIn) -> None:
    url = reverse("onboarding:comment-add", args=[tenant.public_id, task_of(tenant, KEY).public_id])

    response = signed_in(owner).post(url, {"body": "long " * 1200, "kind": ""})

    assert response.status_code == 422
    assert "at most 5000 characters" in response.content.decode()
    assert "long long long" in response.content.decode()
    assert not Comment.objects.exists()


def test_author_deletes_comment_within_one_hour(tenant: Tenant, owner: User, member: User) -> None:
    comment = write(tenant, owner, "client", "My password is hunter2.")

    with pytest.raises(OnboardingError):
        delete_comment(comment, by=member)
    delete_comment(comment, by=owner)

    comment.refresh_from_db()
    assert (comment.body, comment.deleted_at is not None) == ("", True)


def test_comment_is_final_after_one_hour(tenant: Tenant, owner: User) -> None:
    comment = write(tenant, owner, "client", "Done.")
    comment.written_at -= timedelta(hours=1, seconds=1)

    with pytest.raises(OnboardingError, match="within one hour"):
        delete_comment(comment, by=owner)


def test_mention_reaches_only_that_person(
    tenant: Tenant, owner: User, consultant: User, outsider: User
) -> None:
    comment = write(
        tenant, consultant, "mimecast", f"@{owner.name.upper()} and @{outsider.name}: please look."
    )

    assert list(comment.mentions.all()) == [owner]
    assert list(mentions_for(owner, tenants_for(owner))) == [comment]
    assert list(mentions_for(outsider, tenants_for(outsider))) == []


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ("@Ann Lee, please look.", ["Ann Lee"]),
        ("@Ann, please look.", ["Ann"]),
        ("@Ann and @ann lee: look.", ["Ann", "Ann Lee"]),
        ("@Ann Leeds is nobody here.", ["Ann"]),
        ("@Annabel is nobody here.", []),
        ("@Ann-Marie is nobody here.", []),
        ("Write to info@ann.example.", []),
        ("@ann.example is a domain.", []),
        ("It is @Ann’s.", ["Ann"]),
        ("(@Ann)", ["Ann"]),
    ],
)
def test_longest_mentioned_name_wins(
    tenant: Tenant, owner: User, member: User, consultant: User, body: str, named: list[str]
) -> None:
    User.objects.filter(pk=owner.pk).update(name="Ann")
    User.objects.filter(pk=member.pk).update(name="Ann Lee")

    comment = write(tenant, consultant, "mimecast", body)

    assert sorted(person.name for person in comment.mentions.all()) == named
    assert comment_body(comment).count("<strong>@") == len(named)


def test_deleted_answer_reopens_question(
    tenant: Tenant, owner: User, member: User, consultant: User
) -> None:
    question = write(tenant, consultant, "mimecast", "Which hosts?", asked_side="client")
    task = task_of(tenant, KEY)
    first, second = (
        add_comment(
            task, NewComment("mail.northwind.test"), by=by, side="client", reply_to=question
        )
        for by in (owner, member)
    )
    add_comment(task, NewComment("Thank you."), by=consultant, side="mimecast", reply_to=question)

    delete_comment(first, by=owner)
    assert open_questions(tenant.plan, side="client") == []
    delete_comment(second, by=member)

    assert open_questions(tenant.plan, side="client") == [question]
    assert task_of(tenant, KEY).waiting_on == "client"


def test_internal_note_mentions_no_client(tenant: Tenant, owner: User, consultant: User) -> None:
    write(tenant, consultant, "mimecast", f"@{owner.name} is away.", is_internal=True)

    assert list(mentions_for(owner, tenants_for(owner))) == []


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("**bold**", "<p><strong>bold</strong></p>"),
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("[x](javascript:alert(1))", "<p>[x](javascript:alert(1))</p>"),
        ("[x](data:text/html,hi)", "<p>[x](data:text/html,hi)</p>"),
        (
            "[x](https://a.test)",
            '<p><a href="https://a.test" rel="noopener noreferrer nofollow">x</a></p>',
        ),
        ("# Big", "<p><strong>Big</strong></p>"),
        ('[x](https://a.test "" onclick=alert(1)")', "&quot; onclick=alert(1)"),
    ],
)
def test_markdown_is_safe(text: str, html: str) -> None:
    assert html in render(text).strip()


def test_markdown_has_no_pictures() -> None:
    assert "<img" not in render("![x](https://a.test/pixel.png)")


def test_mentioned_name_is_escaped() -> None:
    shown = render("Ask @Jo_*<b>*_ today", mentioned=["Jo_*<b>*_"])

    assert shown == "<p>Ask <strong>@Jo_*&lt;b&gt;*_</strong> today</p>\n"


@given(st.text(max_size=300))
def test_random_text_adds_no_markup(text: str) -> None:
    shown = render(text)

    assert "<script" not in shown
    assert "<img" not in shown
    assert "javascript:" not in shown.split('href="')[-1].split('"')[0] or 'href="' not in shown


def test_question_waits_on_its_own_side(tenant: Tenant, owner: User, consultant: User) -> None:
    assert task_of(tenant, KEY).waiting_on == ""  # it waits for other steps

    question = write(tenant, consultant, "mimecast", "Who owns it?", asked_side="client")
    assert task_of(tenant, KEY).waiting_on == "client"
    write(tenant, owner, "client", "What is it?", asked_side="mimecast")
    assert task_of(tenant, KEY).waiting_on == "both"

    add_comment(task_of(tenant, KEY), NewComment("Jo."), by=owner, side="client", reply_to=question)
    assert task_of(tenant, KEY).waiting_on == "mimecast"


def test_collapsed_row_shows_open_question(
    tenant: Tenant, owner: User, consultant: User, signed_in: SignIn
) -> None:
    question = write(tenant, consultant, "mimecast", "Who owns it?", asked_side="client")

    shown = ".task-state"
    assert "Question for you" in texts(page(tenant, owner, signed_in), shown)
    assert "Question for the client" in texts(page(tenant, consultant, signed_in), shown)

    add_comment(task_of(tenant, KEY), NewComment("Jo."), by=owner, side="client", reply_to=question)
    assert "question" not in " ".join(texts(page(tenant, consultant, signed_in), shown))


def test_comments_remain_on_inapplicable_task(
    tenant: Tenant, owner: User, consultant: User, signed_in: SignIn
) -> None:
    write(tenant, consultant, "mimecast", "Who owns it?", asked_side="client")
    write(tenant, consultant, "mimecast", "Slow to answer.", is_internal=True)
    Task.objects.filter(pk=task_of(tenant, KEY).pk).update(applies=False)
    recompute_rollup(tenant.plan)

    assert texts(page(tenant, owner, signed_in), ".markdown") == ["Who owns it?"]
    assert open_questions(tenant.plan, side="client") == []


def test_open_question_needs_action(
    tenant: Tenant, owner: User, consultant: User, signed_in: SignIn
) -> None:
    write(tenant, consultant, "mimecast", "Who owns it?", asked_side="client")
    Task.objects.filter(plan__tenant=tenant, is_group=False).exclude(key=KEY).update(applies=False)
    Task.objects.filter(pk=task_of(tenant, KEY).pk).update(responsibility="mimecast")
    recompute_rollup(tenant.plan)

    html = signed_in(owner).get(reverse("onboarding:my-tasks", args=[tenant.public_id]))

    assert "Who owns it?" in html.content.decode()
    assert "No tasks for you today" not in html.content.decode()


def test_question_files_need_no_more_queries(
    tenant: Tenant, consultant: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(3):
        write(tenant, consultant, "mimecast", f"Who owns {number}?", asked_side="client")

    plan = tenant.plan
    with django_assert_num_queries(3):
        asked = open_questions(plan, side="client")
        assert [list(comment.files.all()) for comment in asked] == [[], [], []]


def test_inactive_consultant_cannot_be_mentioned(tenant: Tenant, consultant: User) -> None:
    tenant.consultant = consultant
    assert mentionable_people(tenant) == [consultant]

    User.objects.filter(pk=consultant.pk).update(is_active=False)
    assert mentionable_people(tenant) == []
