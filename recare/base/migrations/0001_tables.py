from django.db import migrations

from recare.base.from_schema import tables_of


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [tables_of(__file__)]
