"""Starting and stopping: the supervisor of database, web server and worker, and its checks."""
