"""Reading and writing videos frame by frame, in constant memory."""

from styleheat.media.video.read import VideoInfo, is_steady, probe, read_frames
from styleheat.media.video.write import Codec, VideoWriter

__all__ = ["Codec", "VideoInfo", "VideoWriter", "is_steady", "probe", "read_frames"]
