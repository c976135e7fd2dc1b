"""Video files, read and written frame by frame: no function here holds a whole video in memory."""

from styleheat.media.video.read import VideoInfo, is_steady, probe, read_frames
from styleheat.media.video.write import Codec, VideoWriter

__all__ = ["Codec", "VideoInfo", "VideoWriter", "is_steady", "probe", "read_frames"]
