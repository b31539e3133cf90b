from django.db import migrations

from recare.base.from_schema import tables_of
from recare.segments import facts


class Migration(migrations.Migration):
    initial = True
    dependencies = [("recare_sources", "0001_tables")]
    operations = [tables_of(__file__), migrations.RunSQL(facts.functions(), migrations.RunSQL.noop)]
