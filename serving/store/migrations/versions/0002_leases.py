"""The tables in which gateways share the limits of keys; used on PostgreSQL only."""

import sqlalchemy as sa
from alembic import op

revision = "0002_leases"
down_revision = "0001_keys"


def upgrade() -> None:
    """Create them."""
    op.create_table(
        "lease_gateways",
        sa.Column("gateway_id", sa.String(32), primary_key=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "lease_windows",
        sa.Column("key_id", sa.String(128), primary_key=True),
        sa.Column("unit", sa.String(16), primary_key=True),
        sa.Column("minute", sa.BigInteger, primary_key=True),
        sa.Column("allowed", sa.BigInteger, nullable=False),
        sa.Column("granted", sa.BigInteger, nullable=False),
        sa.Column("taken", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "lease_slots",
        sa.Column("key_id", sa.String(128), primary_key=True),
        sa.Column("gateway_id", sa.String(32), primary_key=True),
        sa.Column("slots", sa.BigInteger, nullable=False),
    )
