"""python -m distillscope"""

from distillscope import main

main()
