from django.db import migrations

# Until now a cutover was of all domains that its step is to be done for.
MAIL = ["primary", "secondary", "test"]
ROLES = {"inbound": MAIL, "outbound": [*MAIL, "send_only"]}


def keep_domains(apps, schema_editor):
    chosen = apps.get_model("onboarding", "CutoverDomain")
    domains = apps.get_model("tenants", "Domain")
    for cutover in apps.get_model("onboarding", "Cutover").objects.select_related("plan"):
        of_tenant = domains.objects.filter(
            tenant_id=cutover.plan.tenant_id, role__in=ROLES[cutover.direction]
        )
        chosen.objects.bulk_create(
            chosen(cutover=cutover, domain=domain, direction=cutover.direction)
            for domain in of_tenant.order_by("pk")
        )


class Migration(migrations.Migration):
    dependencies = [("onboarding", "0010_cutover_domains")]

    operations = [migrations.RunPython(keep_domains, migrations.RunPython.noop)]
