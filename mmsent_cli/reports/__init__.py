"""Results become terminal tables, figures and pages. The only room that imports rich and matplotlib.

matplotlib's warnings are not shown: without a home folder it keeps its font list in a temporary folder, which is no
concern of the user.
"""

import logging

logging.getLogger("matplotlib").setLevel(logging.ERROR)
