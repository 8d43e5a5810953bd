"""botocore, which the agent does not observe itself."""

import os

import botocore.session


def read(pk):
    client = botocore.session.get_session().create_client(
        "s3",
        region_name="eu-west-1",
        endpoint_url=os.environ["READ_BASE"],
        aws_access_key_id="nobody",
        aws_secret_access_key="nothing",
    )
    return client.get_object(Bucket="shop", Key=f"item-{pk}")["ResponseMetadata"]["HTTPStatusCode"]
