"""The service on the workstation: images come in, verdicts go out, nothing is lost.

`sources` take images and acknowledge them once `store` has them on stable storage; `scoring` makes
their verdicts; `destinations` deliver these for as long as it takes. `kinds` is the table of sources and
destinations. `store` is the only memory: what a crash leaves behind is found there.
"""
