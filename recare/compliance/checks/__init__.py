"""The gates, by what they are about. Each reads one Question and adds its reasons; none stops another (ENG-01)."""
