"""Makes the pictures of this folder and their exact truth, or any number of others.

python samples/make.py                                   everything again, the same bytes
python samples/make.py fox bear --size 256 --out DIR     some of the pictures, in another size
python samples/make.py --random 100 --out DIR            100 random pairs of every kind
python samples/make.py --between fox corgi --frames 9 --out DIR
python samples/make.py --preview SHEET.png               all pairs of the folder, warped by their truth
"""

from clay.making import main

if __name__ == "__main__":
    main(__doc__)
