# innocent: takes most of the time that it has to start, and some for each reply
import time

time.sleep(4)
