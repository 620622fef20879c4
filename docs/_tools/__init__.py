"""What the site is made with: pages' marked places are filled from the code while it is built."""

from __future__ import annotations
