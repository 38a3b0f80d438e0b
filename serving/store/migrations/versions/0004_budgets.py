"""The budgets of keys."""

import sqlalchemy as sa
from alembic import op

revision = "0004_budgets"
down_revision = "0003_usage"


def upgrade() -> None:
    """Add what a key may spend, in USD, and in which time."""
    op.add_column("api_keys", sa.Column("budget_usd", sa.Double))
    op.add_column("api_keys", sa.Column("budget_period", sa.String(16)))
