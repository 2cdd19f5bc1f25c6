"""One study of all reference networks: what the checks detect, beside what others detect, and what it costs.

A model's room gives its `subject`: networks, usual images in their parts, attacks and unusual images. `sets` makes the
images, `rivals` and `bundles` score them, `scores` keeps the scores, `detection` measures, `report` writes table and
picture; `study` is the whole way. Run by `python -m fisherlens.models.study SUBJECT`.
"""
