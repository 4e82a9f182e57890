"""The ORM models of the textbook baseline, apart so that only that baseline imports SQLAlchemy."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import JSON, ForeignKey
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Base(DeclarativeBase):
    """The declarative base."""


class StoredResponse(Base):
    """A form with its answers and its scores."""

    __tablename__ = "response"

    id: Mapped[str] = mapped_column(primary_key=True)
    client: Mapped[str] = mapped_column(index=True)
    version: Mapped[str]
    updated: Mapped[datetime]
    authored: Mapped[datetime]
    answers: Mapped[dict[str, int]] = mapped_column(JSON)
    growth: Mapped[float | None]
    warning: Mapped[float | None]
    rows: Mapped[list[StoredAnswer]] = relationship(cascade="all, delete-orphan")


class StoredAnswer(Base):
    """One answer, where answers are rows of their own."""

    __tablename__ = "answer"

    response_id: Mapped[str] = mapped_column(ForeignKey("response.id"), primary_key=True)
    item: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[int]
