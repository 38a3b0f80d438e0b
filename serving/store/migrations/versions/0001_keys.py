"""The table of API keys."""

import sqlalchemy as sa
from alembic import op

revision = "0001_keys"
down_revision = None


def upgrade() -> None:
    """Create it; among keys that were not revoked a name is there once."""
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("owner", sa.String(256), nullable=False),
        sa.Column("digest", sa.LargeBinary(32), nullable=False, unique=True),
        sa.Column("previous_digest", sa.LargeBinary(32)),
        sa.Column("previous_expires_at", sa.Double),
        sa.Column("models", sa.JSON, nullable=False),
        sa.Column("requests_per_minute", sa.BigInteger),
        sa.Column("tokens_per_minute", sa.BigInteger),
        sa.Column("max_concurrent", sa.BigInteger),
        sa.Column("priority", sa.String(16), nullable=False),
        sa.Column("admin", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("expires_at", sa.Double),
        sa.Column("revoked_at", sa.Double),
    )
    live = sa.text("revoked_at IS NULL")
    op.create_index(
        "api_keys_live_name",
        "api_keys",
        ["name"],
        unique=True,
        sqlite_where=live,
        postgresql_where=live,
    )
