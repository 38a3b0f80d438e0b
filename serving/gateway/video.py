"""What a video is, read from its first bytes: the container, no frame decoded."""

import re
from typing import Final

# The bound of the prompt tokens of any video: the engine scales it down to about this.
VIDEO_TOKENS: Final = 16_384

VIDEO_TYPES: Final = {
    "MP4": "video/mp4",
    "WEBM": "video/webm",
    "MOV": "video/quicktime",
    "MPEG": "video/mpeg",
}
# With what people send in place of a video; the first that matches counts.
SIGNATURES: Final = {
    name: re.compile(signature, re.DOTALL)
    for name, signature in {
        "MOV": rb".{4}(?:ftypqt  |moov|mdat|wide)",  # the oldest begin without their type
        "M4A": rb".{4}ftypM4[AB] ",
        "MP4": rb".{4}ftyp",
        "WEBM": rb"\x1aE\xdf\xa3.{0,64}?\x42\x82.{1,8}?webm",
        "MKV": rb"\x1aE\xdf\xa3",
        "MPEG": rb"\0\0\x01\xba",
        "MPEG elementary stream": rb"\0\0\x01\xb3",  # without times the engine finds no frames
        "MPEG-TS": rb"G.{187}G.{187}G",
        "AVI": rb"RIFF.{4}AVI ",
        "WMV": rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11",
        "FLV": rb"FLV\x01",
        "OGG": rb"OggS",
        "WAV": rb"RIFF.{4}WAVE",
        "MP3": rb"ID3|\xff[\xf2\xf3\xfa\xfb]",
        "FLAC": rb"fLaC",
    }.items()
}


def video_format(head: bytes | bytearray) -> str | None:
    """Name the format of a video or sound, served or not; None for everything else.

    Pictures that share a video's container (HEIC, AVIF) are told apart before.
    """
    return next((name for name, form in SIGNATURES.items() if form.match(head)), None)
