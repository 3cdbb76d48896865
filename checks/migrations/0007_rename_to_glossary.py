"""Rename models and fields to the terms of the glossary."""

from __future__ import annotations

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("checks", "0006_observation_told_at")]

    operations = [
        migrations.RenameModel("Knock", "ProbeSlot"),
        migrations.RenameModel("ShownMessage", "SubmittedMessage"),
        migrations.RemoveConstraint("rawanswers", "raw_answers_kept_once"),
        migrations.RemoveIndex("submittedmessage", "message_timeline"),
        migrations.RemoveConstraint("probeslot", "one_knock_per_address"),
        migrations.RenameField("check", "pace", "interval"),
        migrations.RenameField("check", "hurried_until", "requested_until"),
        migrations.RenameField("check", "attended_until", "viewed_until"),
        migrations.RenameField("check", "closely_until", "cutover_until"),
        migrations.RenameField("check", "looked_at", "checked_at"),
        migrations.RenameField("check", "failing_looks", "contradicting_runs"),
        migrations.RenameField("check", "doubted_since", "contradicted_since"),
        migrations.RenameField("check", "yes_at", "first_verified_at"),
        migrations.RenameField("check", "is_at_fault", "is_misconfigured"),
        migrations.RenameField("observation", "told_at", "first_run_ended_at"),
        migrations.RenameField("observation", "looks", "runs"),
        migrations.RenameField("observation", "reason", "trigger"),
        migrations.RenameField("submittedmessage", "looks", "runs"),
        migrations.RenameField("submittedmessage", "shown_by", "submitted_by"),
        migrations.RenameField("submittedmessage", "shown_at", "submitted_at"),
        migrations.RenameField("submittedmessage", "judged_at", "finished_at"),
        migrations.RenameField("discovery", "asked_at", "requested_at"),
        migrations.RenameField("discovery", "looked_at", "checked_at"),
        migrations.RenameField("discovery", "could_not_tell", "has_failed"),
        migrations.RenameField("probeslot", "knocked_at", "used_at"),
    ]
