"""A local stand-in for Twilio, SendGrid and a web push service, with a page to read, click and reply."""
