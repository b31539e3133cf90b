from django.db import migrations

from recare.base.from_schema import tables_of


class Migration(migrations.Migration):
    initial = True
    dependencies = [("recare_jobs", "0001_tables")]
    operations = [tables_of(__file__)]
