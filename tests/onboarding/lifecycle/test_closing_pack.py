"""The closing pack: complete, without internal notes, and verifiable by its README."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape

from checks.engine.outcomes import CheckKind, Verdict
from checks.models import Observation
from onboarding.collaboration import file_store
from onboarding.collaboration.comments import NewComment, add_comment
from onboarding.collaboration.evidence_files import store_file
from onboarding.cutovers.snapshots import digest_of
from onboarding.errors import OnboardingError
from onboarding.lifecycle import closing, erasure
from onboarding.lifecycle.closing_pack import build
from onboarding.lifecycle.closing_pack.verify import (
    DIGESTS,
    faults_in,
    faults_of_digests,
    read_archive,
)
from onboarding.lifecycle.tasks import build_lost_closing_packs
from onboarding.models import (
    AcceptedResidualRisk,
    ClosingPack,
    Contact,
    Cutover,
    CutoverDecision,
    CutoverSnapshot,
    CutoverVote,
    EvidenceFile,
    OnCall,
)
from tenants.models import ActivityLine, Tenant, User
from tests.closings import STATEMENT, closed_implementation, prepare_closing
from tests.cutovers import cutover_of
from tests.factories import RunCheck, SignIn, task_of

CLOSURE = "case-closure"

SECRET = "They pay late; do not tell them."
SAID = "The window suits us – “zwölf Uhr”."
GATE = "mx-record-cutover"
Files = dict[str, bytes]


@pytest.fixture(autouse=True)
def files_dir(tmp_path: Path, settings: Any) -> Path:
    settings.FILES_DIR = tmp_path / "files"
    return tmp_path


@pytest.fixture
def completed(
    tenant: Tenant, owner: User, consultant: User, outsider: User, run_check: RunCheck
) -> Tenant:
    """A tenant with one row of each kind, signed off by both sides."""
    run_check(tenant, CheckKind.OWNERSHIP, Verdict.PASS)
    run_check(tenant, CheckKind.MX, Verdict.PASS)
    training = task_of(tenant, "training")
    add_comment(training, NewComment(SECRET, is_internal=True), by=consultant, side="mimecast")
    add_comment(training, NewComment(SAID), by=owner, side="client")
    store_file(training, SimpleUploadedFile("minutes.txt", b"all were there"), by=owner)
    Contact.objects.create(tenant=tenant, role="dns", name="Dana Essen", email="dns@n.test")
    _cutover(tenant, consultant)
    return closed_implementation(tenant, owner, consultant)


def _cutover(tenant: Tenant, by: User) -> None:
    start = timezone.now() - timedelta(days=1)
    cutover = cutover_of(tenant, "inbound", start)
    Cutover.objects.filter(pk=cutover.pk).update(accepted_risk="We know.")
    OnCall.objects.create(cutover=cutover, user=by, phone="+44 20 7946 0000")
    add_comment(task_of(tenant, GATE), NewComment("Switched over."), by=by, side="mimecast")
    add_comment(task_of(tenant, GATE), NewComment(SECRET, is_internal=True), by=by, side="mimecast")
    servers = [{"name": "ns1.n.test", "values": ["10 old.n.test."], "ttl": 300}]
    kept = [{"domain": "northwind.test", "kind": "mx", "servers": servers}]
    CutoverSnapshot.objects.create(
        cutover=cutover,
        window_start=start,
        reason="opened",
        content=kept,
        digest=digest_of(kept),
    )
    CutoverVote.objects.create(
        cutover=cutover,
        window_start=start,
        side="mimecast",
        by=by,
        is_go=True,
        comment="Go, ëven so.",
    )
    rows = {"rows": [{"title": "MX TTL", "verdict": "pass", "words": "300 s – low"}]}
    CutoverDecision.objects.create(
        cutover=cutover,
        window_start=start,
        is_go=True,
        decided_at=start,
        content=rows,
        digest=digest_of(rows),
    )


@pytest.fixture
def pack(completed: Tenant) -> ClosingPack:
    made = ClosingPack.objects.get(tenant=completed)
    assert build.build_closing_pack(made)
    made.refresh_from_db()
    return made


def _archive(pack: ClosingPack) -> Path:
    return file_store.path_of(pack.stored_as)


def _verify(*args: str | Path) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-I", *map(str, args)], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.slow
def test_pack_verifies_zipped_and_unpacked(pack: ClosingPack, tmp_path: Path) -> None:
    with zipfile.ZipFile(_archive(pack)) as archive:
        archive.extractall(tmp_path / "out")
    script = tmp_path / "out" / "verify.py"

    assert _verify(script)[0] == 0
    code, output = _verify(script, _archive(pack), "--seal", pack.seal)
    assert (code, pack.seal in output) == (0, True)

    page = tmp_path / "out" / "index.html"
    page.write_bytes(page.read_bytes().replace(b"Northwind", b"Northwynd", 1))
    assert _verify(script) == (1, "NOT AS IT WAS MADE: index.html: altered\n")
    assert _verify(script, _archive(pack), "--seal", "0" * 64)[0] == 1


@pytest.mark.slow
def test_digests_work_with_sha256sum(pack: ClosingPack, tmp_path: Path) -> None:
    with zipfile.ZipFile(_archive(pack)) as archive:
        archive.extractall(tmp_path / "out")

    done = subprocess.run(
        ["sha256sum", "--check", "--strict", DIGESTS],
        cwd=tmp_path / "out",
        capture_output=True,
        check=False,
    )

    assert done.returncode == 0


@pytest.mark.slow
def test_altered_byte_is_detected(pack: ClosingPack) -> None:
    files = read_archive(_archive(pack))
    assert faults_in(files, pack.seal) == []

    unnoticed = [
        (name, place)
        for name, content in files.items()
        for place in {0, len(content) // 3, len(content) // 2, len(content) - 1}
        if not faults_in(files | {name: _flipped(content, place)})
    ]

    assert unnoticed == []


def _flipped(content: bytes, place: int) -> bytes:
    return content[:place] + bytes([content[place] ^ 0x20]) + content[place + 1 :]


def test_page_shows_decision_with_earlier_keys(pack: ClosingPack) -> None:
    """Decisions before version 0.2.0 have `words` where present ones have `detail`."""
    page = read_archive(_archive(pack))["index.html"].decode()

    assert "<td>300 s – low</td>" in page


def test_added_or_missing_file_is_detected(pack: ClosingPack) -> None:
    files = read_archive(_archive(pack))

    assert faults_in(files | {"files/more.txt": b"x"}) == ["files/more.txt: not listed"]
    less = {name: content for name, content in files.items() if name != "implementation.json"}
    assert faults_in(less) == ["implementation.json: missing"]


def _relisted(files: Files) -> Files:
    """Recompute the digests, as a forger would."""
    digests = {n: hashlib.sha256(c).hexdigest() for n, c in files.items() if n != DIGESTS}
    listed = "".join(f"{digests[name]}  {name}\n" for name in sorted(digests))
    return files | {DIGESTS: listed.encode()}


Forge = Callable[[list[dict[str, Any]]], object]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("forge", "fault"),
    [
        (lambda lines: lines[3]["params"].update(task="Nothing"), "line 4 was altered"),
        (lambda lines: lines[0].update(actor="somebody"), "line 1 was altered"),
        (lambda lines: lines.pop(5), "line 6 is missing"),
        (lambda lines: lines.pop(), "lines are missing at its end"),
    ],
)
def test_forged_log_is_detected(pack: ClosingPack, forge: Forge, fault: str) -> None:
    files = read_archive(_archive(pack))
    log = json.loads(files["activity.json"])
    forge(log["lines"])
    forged = _relisted(files | {"activity.json": json.dumps(log).encode()})

    assert faults_in(forged) == [f"activity: {fault}"]
    assert any("the seal is" in fault for fault in faults_in(forged, pack.seal))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["snapshots", "decisions"])
def test_forged_decision_is_detected(pack: ClosingPack, kind: str) -> None:
    files = read_archive(_archive(pack))
    implementation = json.loads(files["implementation.json"])
    implementation["cutovers"][0][kind][0]["content"] = []
    forged = _relisted(files | {"implementation.json": json.dumps(implementation).encode()})

    assert faults_in(forged) == [f"inbound cutover: one of its {kind} was altered"]


def test_pack_contains_the_implementation(pack: ClosingPack) -> None:
    files = read_archive(_archive(pack))
    implementation = json.loads(files["implementation.json"])
    page = files["index.html"].decode()

    tasks = {task["key"]: task for phase in implementation["phases"] for task in phase["tasks"]}
    signed = tasks[CLOSURE]["confirmed"]
    seen = {each["id"] for each in json.loads(files["observations.json"])}
    assert {each["by"]["name"] for each in signed} == {"Owner Person", "Con Sultant"}
    assert tasks["domain-ownership"]["proof"][0]["observation"] in seen
    assert tasks["domain-ownership"]["verified_at"]
    assert len(seen) == Observation.objects.count()
    assert [vote["comment"] for vote in implementation["cutovers"][0]["votes"]] == ["Go, ëven so."]
    assert implementation["cutovers"][0]["domains"] == ["northwind.test"]
    assert implementation["cutovers"][0]["on_call"][0]["phone"] == "+44 20 7946 0000"
    comments = [
        entry["comment"]
        for entry in implementation["cutovers"][0]["timeline"]
        if "comment" in entry
    ]
    assert comments == ["Switched over."]
    assert [kept["name"] for kept in implementation["files"]] == ["minutes.txt"]
    assert files[implementation["files"][0]["file"]] == b"all were there"
    assert {
        name for sheet in implementation["requirements_sheets"] for name in sheet["files"]
    } <= set(files)
    for text in (SAID, "Dana Essen", "We know.", "10 old.n.test.", STATEMENT, "300 s"):
        assert text in page
    assert "<script" not in page
    assert page.count("<style>") == 1


@pytest.mark.slow
def test_pack_lists_the_decision_on_every_task(pack: ClosingPack, consultant: User) -> None:
    files = read_archive(_archive(pack))
    phases = json.loads(files["implementation.json"])["phases"]
    tasks = [task for phase in phases for task in phase["tasks"]]

    decisions = {task["key"]: task["decision"] for task in tasks if not task["is_group"]}
    statuses = {each["status"] for each in decisions.values()}
    assert statuses == {"Declined", "Verified", "Not applicable", "Done"}
    assert decisions["training"]["reason"] == "Not wanted."
    signers = [person["name"] for person in decisions[CLOSURE]["by"]]
    assert sorted(signers) == ["Con Sultant", "Owner Person"]
    table = files["index.html"].decode().split("<h2>Decisions</h2>")[1].split("</table>")[0]
    assert table.count('<th scope="row">') == len(decisions)


@pytest.mark.slow
def test_pack_lists_every_accepted_risk(pack: ClosingPack) -> None:
    files = read_archive(_archive(pack))
    listed = json.loads(files["implementation.json"])["residual_risks"]

    rows = AcceptedResidualRisk.objects.filter(tenant=pack.tenant)
    assert len(listed) == rows.count() >= 2
    assert {each["accepted_by"]["name"] for each in listed} == {"Con Sultant"}
    page = files["index.html"].decode().split("<h2>Residual risks</h2>")[1].split("<h2>")[0]
    for row in rows:
        assert escape(row.sentence) in page
        assert f"{row.accepted_at:%Y-%m-%d %H:%M}" in page
    assert page.count("“We know.”") == len(listed)


@pytest.mark.slow
def test_pack_excludes_internal_notes(pack: ClosingPack) -> None:
    text = b"".join(
        content for name, content in read_archive(_archive(pack)).items() if "xlsx" not in name
    )

    assert SECRET.encode() not in text
    assert b"internal" not in text.replace(b"internal-email-protect", b"").lower().replace(
        b"internal email protect", b""
    )
    assert b"elsewhere.test" not in text
    assert b"Elsewhere" not in text


@pytest.mark.slow
def test_seal_is_shown_and_logged(pack: ClosingPack, owner: User, signed_in: SignIn) -> None:
    client = signed_in(owner)
    html = client.get(
        reverse("onboarding:offboarding", args=[pack.tenant.public_id])
    ).content.decode()
    answer: Any = client.get(
        reverse("onboarding:closing-pack-show", args=[pack.tenant.public_id, pack.public_id])
    )

    assert pack.seal in html
    assert b"".join(answer.streaming_content) == _archive(pack).read_bytes()
    assert ActivityLine.objects.get(action="closing-pack-ready").params["seal"] == pack.seal
    assert ActivityLine.objects.get(action="closing-pack-downloaded").actor == owner


@pytest.mark.slow
def test_building_pack_is_idempotent(pack: ClosingPack) -> None:
    assert not build.build_closing_pack(pack)
    stale = ClosingPack(pk=pack.pk, tenant=pack.tenant)
    assert not build.build_closing_pack(stale)

    assert ActivityLine.objects.filter(action="closing-pack-ready").count() == 1
    assert len([p for p in Path(_archive(pack)).parents[1].rglob("*") if p.is_file()]) == 2


@pytest.mark.slow
def test_lost_pack_is_built(completed: Tenant) -> None:
    build_lost_closing_packs()
    assert ClosingPack.objects.get().ready_at is None

    ClosingPack.objects.update(requested_at=timezone.now() - timedelta(minutes=11))
    build_lost_closing_packs()
    assert ClosingPack.objects.get().ready_at is not None


def test_pack_needs_completed_tenant(tenant: Tenant, consultant: User) -> None:
    with pytest.raises(OnboardingError, match="after both sides sign off"):
        build.request_closing_pack(tenant, by=consultant)


def test_sign_off_page_queues_pack(
    tenant: Tenant,
    owner: User,
    consultant: User,
    signed_in: SignIn,
    django_capture_on_commit_callbacks: Any,
) -> None:
    prepare_closing(tenant, consultant)
    closing.sign_off_implementation(
        task_of(tenant, CLOSURE), by=owner, side="client", reason="Done."
    )

    with django_capture_on_commit_callbacks(execute=True):
        answer = signed_in(consultant).post(
            reverse("onboarding:sign-off", args=[tenant.public_id]), {"reason": "Agreed."}
        )

    assert answer["Location"] == reverse("onboarding:monitoring", args=[tenant.public_id])
    assert ClosingPack.objects.get().ready_at is not None


@pytest.mark.slow
def test_erasure_deletes_pack(
    pack: ClosingPack, administrator: User, django_capture_on_commit_callbacks: Any
) -> None:
    place = _archive(pack)

    with django_capture_on_commit_callbacks(execute=True):
        erasure.erase_tenant(pack.tenant, typed="Northwind", by=administrator)

    assert not place.exists()


@pytest.mark.slow
def test_failed_build_leaves_no_file(completed: Tenant, files_dir: Path) -> None:
    pack = ClosingPack.objects.get(tenant=completed)
    for kept in EvidenceFile.objects.all():
        file_store.path_of(kept.stored_as).unlink()

    with pytest.raises(FileNotFoundError):
        build.build_closing_pack(pack)

    assert [path for path in files_dir.rglob("*") if path.is_file()] == []


def _stored_names(files_dir: Path) -> list[str]:
    """Without the ending of a part, whose transaction the test never commits."""
    return sorted(path.stem for path in files_dir.rglob("*") if path.is_file())


@pytest.mark.slow
def test_reopening_deletes_pack_request(
    completed: Tenant, consultant: User, files_dir: Path
) -> None:
    late = ClosingPack.objects.get(tenant=completed)
    before = _stored_names(files_dir)

    closing.reopen_tenant(completed, by=consultant, reason="One more domain.")

    assert build.build_closing_pack(late) is False
    assert not ClosingPack.objects.exists()
    assert _stored_names(files_dir) == before
    assert not ActivityLine.objects.filter(action="closing-pack-ready").exists()


@pytest.mark.parametrize("separator", ["\u2028", "\u0085", "\x0c", "\r"])
def test_name_with_another_line_separator(separator: str) -> None:
    name, content = f"files/a{separator}b.pdf", b"text"
    listed = f"{hashlib.sha256(content).hexdigest()}  {name}\n".encode()

    assert faults_of_digests({name: content, DIGESTS: listed}) == []
