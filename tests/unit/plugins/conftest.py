pytest_plugins = ["bourn.testing.plugin"]
