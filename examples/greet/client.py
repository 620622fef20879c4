from avtomatika_client import Client

with Client("http://127.0.0.1:8080", client_token="dev-client-token") as client:
    job = client.jobs.submit("greet", {"name": "Ada"})
    assert job.result(timeout=10) == {"message": "Hello, Ada!"}
