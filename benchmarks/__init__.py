"""What this project is measured by: the pair against its official counterpart, and the budgets the build keeps to."""

from __future__ import annotations
