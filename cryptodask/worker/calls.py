from cryptodask.io.paths import visibility_error
def worker_address():
    from dask.distributed import get_worker
    try: return str(get_worker().address)
    except ValueError: return "local"
