"""What the apps of both sides use to carry and keep payloads and states; methods never do."""
