"""Subjects compared for threads: ONLYOFFICE contract §7.2."""

import time

import pytest

from postroom.messages.subjects import normalised

SUBJECT = "subject of email"


@pytest.mark.parametrize(
    "form",
    [
        "{}",
        "RE: {}",
        "RE[4]: {}",
        "[RE: {}]",
        "Re: [Fwd: ] {}",
        "Re: [Fwd: [Fwd: FW: {}]]",
        "FW: FW: (fwd) FW:  {}",
        "R: RES: FYI: RIF: I: FS: VB: RV: ENC: {}",
        "PD: YNT: ILT: SV: VS: VL: BLS: TR: TRS: {}",
        "AW: WG: ΑΠ: ΣΧΕΤ: ΠΡΘ: ANTW: DOORST: НА: {}",  # noqa: RUF001 - Greek and Cyrillic on purpose
        "R: [SPAM] {}",
        "[Y/N] PD: [RSVP] {}",
    ],
)
def test_what_mail_programs_add_does_not_count(form: str) -> None:
    assert normalised(form.format(SUBJECT)) == SUBJECT


def test_numbers_in_brackets_stay_and_labels_go() -> None:
    given = "Re: [CommunityServer] ONLYOFFICE run from visual studio 2012 goes into Redirection Loop (#28)"
    assert normalised(given) == "ONLYOFFICE run from visual studio 2012 goes into Redirection Loop (#28)"
    assert normalised("[2012] plan") == "[2012] plan"
    assert normalised("Reply to all") == "Reply to all"
    assert not normalised("Re:")


@pytest.mark.parametrize("piece", ["[", "re:", " ", "[ ", "]", "] ", "RE[1]", "(fwd) "])
def test_odd_subjects_take_no_time(piece: str) -> None:
    began = time.process_time()
    normalised(piece * (998 // len(piece)))
    assert time.process_time() - began < 1
