def rename(m,n): raise NotImplementedError
