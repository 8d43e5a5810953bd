import os

import sentry_sdk

sentry_sdk.init(dsn=os.environ["SINK"].replace("://", "://key@") + "/1", traces_sample_rate=1.0)
