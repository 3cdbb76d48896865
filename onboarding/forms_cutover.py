"""Forms of the cutover room."""

from __future__ import annotations

from django import forms

from onboarding.deciding import Window


class WindowForm(forms.Form):
    """Confirming a window. The start is the one that was shown, so that a move is noticed."""

    planned_at = forms.DateTimeField(widget=forms.HiddenInput)
    length_minutes = forms.IntegerField(min_value=15, max_value=2880)
    outbound_days = forms.IntegerField(min_value=0, max_value=60)
    accepted_risk = forms.CharField(max_length=1000, required=False, strip=True)

    @property
    def window(self) -> Window:
        return Window(**self.cleaned_data)
