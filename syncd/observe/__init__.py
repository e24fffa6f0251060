"""What operators see from outside: log lines, metrics, and what systemd is told.

May import config, ports and domain. Start reading at `logs.py`.
"""
