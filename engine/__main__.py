"""``python -m engine`` is the command ``engine``."""

from __future__ import annotations

from engine.cli import main

if __name__ == "__main__":
    main()
