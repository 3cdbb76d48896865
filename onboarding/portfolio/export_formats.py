"""The formats of exported lists, by the ending of the file, with their media types."""

from __future__ import annotations

from onboarding.requirements.exports import CSV_TYPE, XLSX_TYPE

CSV, XLSX = "csv", "xlsx"
MEDIA_TYPES = {CSV: CSV_TYPE, XLSX: XLSX_TYPE}
