"""Both layouts are layouts."""

import pytest

from archiver.archive.layout.maildir import MaildirLayout
from archiver.archive.layout.mbox import MboxLayout
from tests.contract.layout import LayoutContract


class TestMboxLayout(LayoutContract):
    @pytest.fixture
    def layout(self) -> MboxLayout:
        return MboxLayout()


class TestMaildirLayout(LayoutContract):
    @pytest.fixture
    def layout(self) -> MaildirLayout:
        return MaildirLayout()
