from django.urls import path

from recare.web import choose, health, patient, patient_acts, patients, sandbox, styleguide, today

app_name = "web"
urlpatterns = [
    path("", today.today, name="today"),
    path("tasks/", today.all_tasks, name="tasks"),
    path("tasks/<int:task_id>/done/", today.task_done, name="task-done"),
    path("choose-practice/", choose.choose_practice, name="choose-practice"),
    path("health/", health.health, name="health"),
    path("patients/", patients.patients, name="patients"),
    path("patients/<int:patient_id>/", patient.patient, name="patient"),
    path("patients/<int:patient_id>/opt-out/", patient_acts.opt_out, name="patient-opt-out"),
    path("patients/<int:patient_id>/consent/", patient_acts.record_consent, name="patient-consent"),
    path("patients/<int:patient_id>/release/", patient_acts.release, name="patient-release"),
    path("patients/<int:patient_id>/wrong-number/", patient_acts.wrong_number, name="patient-wrong-number"),
    path("patients/<int:patient_id>/standing/", patient_acts.set_standing, name="patient-standing"),
    path("patients/<int:patient_id>/dismiss/", patient_acts.dismiss, name="patient-dismiss"),
    path("patients/<int:patient_id>/pause/", patient_acts.pause, name="patient-pause"),
    path("patients/<int:patient_id>/complaint/", patient_acts.complaint, name="patient-complaint"),
    path("patients/<int:patient_id>/do-not-call/", patient_acts.do_not_call, name="patient-do-not-call"),
    path("sandbox/", sandbox.devices, name="sandbox"),
    path("sandbox/<int:point_id>/", sandbox.device, name="sandbox-device"),
    path("sandbox/<int:point_id>/answer/", sandbox.answer, name="sandbox-answer"),
    path("sandbox/mail/<int:delivery_id>/", sandbox.original, name="sandbox-original"),
    path("styleguide/", styleguide.styleguide, name="styleguide"),
]
