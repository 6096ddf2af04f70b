"""Which packages may be named: those of the standard library and well-known ones of the package index."""

from __future__ import annotations

import sys
from typing import Final

from spanguard.semconv import DEPENDENCIES
from spanguard.vocabulary.declared import is_declared
from spanguard.vocabulary.pseudonyms import pseudonym

_WELL_KNOWN: Final = frozenset(
    """
    aiohttp airflow alembic altair anthropic anyio asyncpg attr attrs beautifulsoup4 black bokeh boto3 botocore bs4
    cachetools celery certifi cffi chardet charset_normalizer click cloudpickle cohere colorama cryptography cv2 cython
    dask dateutil diskcache django docker docutils duckdb elasticsearch fastapi filelock flask fsspec gensim geopandas
    google gradio greenlet grpc gunicorn h11 h5py httpcore httpx httpx2 huggingface_hub hypothesis idna imageio
    instructor ipykernel ipython ipywidgets itsdangerous jax jinja2 joblib jsonschema jupyter keras kubernetes langchain
    langchain_core langgraph lightgbm litellm llama_index loguru lxml markdown markupsafe marshmallow matplotlib
    mistralai mlflow more_itertools msgpack multidict mypy mysql networkx nltk notebook numba numpy ollama onnxruntime
    openai opencv_python openpyxl opentelemetry orjson packaging pandas paramiko passlib peewee pendulum pillow pil pip
    plotly polars prometheus_client protobuf psutil psycopg psycopg2 pyarrow pybreaker pycryptodome pydantic pydantic_ai
    pygame pygments pyjwt pylint pymongo pymysql pyodbc pyparsing pypdf pyqt5 pyspark pytest python_dateutil pytz
    pywin32 pyyaml pyzmq ray redis regex requests rich ruff s3fs scikit_learn scipy scrapy seaborn selenium
    sentence_transformers sentencepiece setuptools shapely six sklearn soupsieve spacy sqlalchemy sqlmodel starlette
    statsmodels streamlit sympy tabulate tenacity tensorflow termcolor textual tiktoken tokenizers toml tomli torch
    torchaudio torchvision tornado tqdm transformers trio twisted typer typing_extensions tzdata urllib3 uvicorn vllm
    watchdog websocket websockets werkzeug wheel wrapt xarray xgboost xlrd xlsxwriter yaml yarl zmq zstandard
    """.split()
)


def package_name(name: object) -> str:
    """Return the name of a package as it may be shown: clear if it is known or declared, else a pseudonym."""
    name = name if isinstance(name, str) else type(name).__name__
    top = name.partition(".")[0].strip()
    folded = top.lower().replace("-", "_")
    known = top in sys.stdlib_module_names or folded in _WELL_KNOWN or is_declared(top)
    # A plain text: SDKs before 1.43 refuse a list whose elements are not all of one class.
    return top if known else str(pseudonym(name, DEPENDENCIES))
