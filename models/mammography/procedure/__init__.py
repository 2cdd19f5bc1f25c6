"""The conventional reading of the phantom, as the European procedure has it done by software.

`registration` finds the phantom in an image, `reading` decides in every cell where the discs are (as
CDCOM does: Karssemeijer & Thijssen 1996, Digital Mammography '96), and `contrast_detail` makes a
contrast-detail curve of the decisions of several images (Young, Cook & Oduko 2006, Proc. IWDM, LNCS
4046; European guidelines, 4th edition, supplement of 2013).
"""
