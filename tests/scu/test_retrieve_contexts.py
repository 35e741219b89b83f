"""What a C-GET proposes, round by round."""

from __future__ import annotations

from gateway.dicom.sop_classes import STORAGE_SOP_CLASSES
from gateway.dicom.transfer_syntaxes import EXPLICIT_LITTLE, JPEG_2000_LOSSLESS, JPEG_BASELINE, RLE_LOSSLESS
from gateway.scu.retrieve_contexts import rounds

CT, REPORT, VIDEO = (f"1.2.840.10008.5.1.4.1.1.{end}" for end in ("2", "88.11", "77.1.1.1"))
LATER = "1.2.840.10008.5.1.4.1.1.999.1"
MPEG_4 = "1.2.840.10008.1.2.4.102"


def test_what_is_known_to_be_there_comes_first_with_each_transfer_syntax_alone() -> None:
    first, *_ = rounds((CT, REPORT, CT, LATER))
    assert {uid for uid, _ in first} == {CT, REPORT, LATER}
    assert all(len(syntaxes) == 1 for _, syntaxes in first)
    assert {EXPLICIT_LITTLE, JPEG_BASELINE, JPEG_2000_LOSSLESS, RLE_LOSSLESS} <= {s for uid, (s,) in first if uid == CT}
    assert (REPORT, (RLE_LOSSLESS,)) not in first
    assert (CT, (MPEG_4,)) not in first
    assert (LATER, (RLE_LOSSLESS,)) in first


def test_a_video_in_what_a_camera_records() -> None:
    first, *_ = rounds((VIDEO,))
    assert (VIDEO, (MPEG_4,)) in first


def test_every_class_is_in_one_round_and_every_round_fits_beside_c_get() -> None:
    every = {uid for uid, row in STORAGE_SOP_CLASSES.items() if not row.retired}
    for held in ((), (CT,), tuple(sorted(every))):
        made = list(rounds(held))
        classes = [{uid for uid, _ in each} for each in made]
        assert set().union(*classes) == every
        assert sum(map(len, classes)) == len(every)
        assert all(len(each) <= 127 for each in made)


def test_without_knowledge_the_usual_classes_come_first() -> None:
    first, *_ = rounds()
    assert CT in dict(first)
    assert (CT, (JPEG_2000_LOSSLESS,)) in first
