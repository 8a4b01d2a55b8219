"""The number types of all compiled modules.

label_t    a position in the list of labels; -1 is a void label
index_t    a position in the weight vector or a feature number
offset_t   a position in packed data, which may hold more than 2**31 entries

Weights, scores and dual variables are float64 throughout.
"""

from libc.stdint cimport int32_t, int64_t

ctypedef int32_t label_t
ctypedef int32_t index_t
ctypedef int64_t offset_t
